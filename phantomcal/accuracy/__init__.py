"""How well a call or a score tells two classes apart, with intervals."""
