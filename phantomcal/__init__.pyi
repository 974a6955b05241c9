from phantomcal.api import (
    InputError as InputError,
)
from phantomcal.api import (
    PhantomcalError as PhantomcalError,
)
from phantomcal.api import (
    calibrate as calibrate,
)
from phantomcal.api import (
    classify as classify,
)
from phantomcal.api import (
    compare as compare,
)
from phantomcal.api import (
    concentration as concentration,
)
from phantomcal.api import (
    correlate as correlate,
)
from phantomcal.api import (
    fit as fit,
)
from phantomcal.api import (
    load_calibration as load_calibration,
)
from phantomcal.api import (
    power as power,
)
from phantomcal.api import (
    read_table as read_table,
)
from phantomcal.api import (
    register as register,
)
from phantomcal.api import (
    run as run,
)
from phantomcal.api import (
    sample as sample,
)
from phantomcal.api import (
    track as track,
)

__version__: str
