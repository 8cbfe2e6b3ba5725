"""Affine registration with SimpleITK: what a landmark transfer costs and gives without any learning."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Prepared

COARSE_MM = 6.0
LPS = np.diag([-1.0, -1.0, 1.0])


def start_transform(source: Prepared, target: Prepared) -> sitk.AffineTransform:
    """A map from points of the source to points of the target (both LPS mm): centre of mass to centre of mass."""
    method = sitk.CenteredTransformInitializerFilter.MOMENTS
    start = sitk.CenteredTransformInitializer(_image(source), _image(target), sitk.AffineTransform(3), method)
    return sitk.AffineTransform(start)


def affine_transform(source: Prepared, target: Prepared, *, seed: int = 0) -> sitk.Transform:
    """The same after Mattes mutual information: three levels of gradient descent with 10 % of the voxels."""
    fixed, moving = _image(source), _image(target)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.1, seed + 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 100, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SetInitialTransform(start_transform(source, target), inPlace=False)
    return method.Execute(fixed, moving)


def carry(transform: sitk.Transform, points_mm: NDArray) -> NDArray[np.float64]:
    """(N, 3) scanner mm (RAS) of the source -> (N, 3) of the target."""
    return np.array([transform.TransformPoint((LPS @ p).tolist()) for p in np.atleast_2d(points_mm)]) @ LPS


def _image(volume: Prepared) -> sitk.Image:
    step = max(1, round(COARSE_MM / volume.spacing))
    voxels = np.asarray(volume.image[::step, ::step, ::step], dtype=np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    image.SetSpacing((spacing * step).tolist())
    image.SetOrigin((LPS @ volume.affine[:3, 3]).tolist())
    image.SetDirection((LPS @ volume.affine[:3, :3] / spacing).ravel().tolist())
    return image
