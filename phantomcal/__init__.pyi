from phantomcal.api import (
    InputError as InputError,
    PhantomcalError as PhantomcalError,
    calibrate as calibrate,
    classify as classify,
    compare as compare,
    concentration as concentration,
    correlate as correlate,
    fit as fit,
    load_calibration as load_calibration,
    power as power,
    read_table as read_table,
    register as register,
    run as run,
    sample as sample,
    track as track,
)

__version__: str
