"""What the voxels of a found vial say."""
