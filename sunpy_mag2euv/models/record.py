"""What a model's record is made of, as plain data for JSON."""

from sunpy_mag2euv.scaling import scaling_from_dict

__all__ = ["by_number", "by_text", "scalings_from_record", "scalings_record"]


def scalings_record(scalings):
    """A list, since the order is that of the planes."""
    return [{"passband": band, **scaling.to_dict()} for band, scaling in scalings.items()]


def scalings_from_record(record):
    """Inverse of `scalings_record`."""
    return {
        scaling["passband"]: scaling_from_dict({key: scaling[key] for key in scaling if key != "passband"})
        for scaling in record
    }


def by_text(entries):
    """JSON has no numbers for keys."""
    return {str(band): entry for band, entry in entries.items()}


def by_number(entries):
    """Inverse of `by_text`."""
    return {int(band): entry for band, entry in entries.items()}
