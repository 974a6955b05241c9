"""The few errors a user can meet. Their text is the whole message: what, where, how to fix."""


class PhantomcalError(Exception):
    """Base of every error phantomcal raises on purpose."""


class InputError(PhantomcalError):
    """The input or the call is wrong; the command line shows the message and exits with code 2.

    Parameters
    ----------
    what : str
        What is wrong, in one clause.
    where : str, optional
        The file, row, vial or option it is wrong in.
    fix : str, optional
        What the user can do about it.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        message = what if not where else f"{what}, in {where}"
        if fix:
            message += f": {fix}"
        super().__init__(" ".join(message.split()))

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        # Errors cross process borders when a study runs on several workers.
        return type(self), (self.what, self.where, self.fix)
