"""One alignment by one peer program, run inside the peers' own environment by `registration.py`.

``python registration_peers.py PEER CT MR OUT.json`` reads both files, aligns CT (moving) to MR (fixed) rigidly by
mutual information with the settings each program recommends, and writes seconds (without reading), peak memory, and the
4 x 4 matrix that takes MR points to CT points, world LPS mm.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def ants_rigid(ct: str, mr: str) -> tuple[Any, Any]:
    """`ants.registration` of type "Rigid": its defaults, from the centres of mass."""
    import ants

    fixed, moving = ants.image_read(mr), ants.image_read(ct)
    started = now()
    found = ants.registration(fixed=fixed, moving=moving, type_of_transform="Rigid")
    seconds = now() - started
    transform = ants.read_transform(found["fwdtransforms"][0])
    return matrix_of(lambda p: ants.apply_ants_transform_to_point(transform, p)), seconds


def elastix_rigid(ct: str, mr: str) -> tuple[Any, Any]:
    """elastix's default "rigid" parameter map: mutual information, four resolutions, adaptive gradient descent."""
    import itk

    fixed, moving = itk.imread(mr, itk.F), itk.imread(ct, itk.F)
    started = now()
    parameters = itk.ParameterObject.New()
    parameters.AddParameterMap(parameters.GetDefaultParameterMap("rigid"))
    _, result = itk.elastix_registration_method(fixed, moving, parameter_object=parameters, log_to_console=False)
    seconds = now() - started
    found = result.GetParameterMap(0)
    transform = itk.Euler3DTransform[itk.D].New()
    transform.SetCenter([float(v) for v in found["CenterOfRotationPoint"]])
    transform.SetComputeZYX(found.get("ComputeZYX", ("false",))[0] == "true")
    values = transform.GetParameters()
    for k, value in enumerate(found["TransformParameters"]):
        values[k] = float(value)
    transform.SetParameters(values)
    return matrix_of(lambda p: transform.TransformPoint([float(v) for v in p])), seconds


def greedy_rigid(ct: str, mr: str) -> tuple[Any, Any]:
    """greedy: six degrees of freedom, normalised mutual information, three levels, from the headers."""
    import SimpleITK as sitk
    from picsl_greedy import Greedy3D

    fixed, moving = sitk.ReadImage(mr, sitk.sitkFloat32), sitk.ReadImage(ct, sitk.sitkFloat32)
    started = now()
    greedy = Greedy3D()
    command = "-i fixed moving -a -dof 6 -m NMI -ia-identity -n 100x50x10 -o found"
    greedy.execute(command, fixed=fixed, moving=moving, found=None)
    seconds = now() - started
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])  # greedy's matrices are in RAS
    return flip @ np.array(greedy["found"]) @ flip, seconds


def now() -> Any:
    """Seconds on the clock, and of all processors."""
    return np.array([time.perf_counter(), time.process_time()])


def matrix_of(transform: Any) -> Any:
    """4 x 4 matrix of a function that moves points, from four of them."""
    matrix = np.eye(4)
    matrix[:3, 3] = transform((0.0, 0.0, 0.0))
    for axis in range(3):
        point = [0.0, 0.0, 0.0]
        point[axis] = 100.0
        matrix[:3, axis] = (np.array(transform(tuple(point))) - matrix[:3, 3]) / 100.0
    return matrix


PEERS = {"ants": ants_rigid, "elastix": elastix_rigid, "greedy": greedy_rigid}


def main() -> None:
    """Run one peer and write what it found."""
    peer, ct, mr, out = sys.argv[1:]
    matrix, seconds = PEERS[peer](ct, mr)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    record = {
        "seconds": seconds[0],
        "cpu_seconds": seconds[1],
        "peak_mb": peak_mb,
        "matrix": np.asarray(matrix).tolist(),
    }
    Path(out).write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
