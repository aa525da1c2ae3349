/** The disk by which a machine that has one takes bulk input: called as udev calls a virtio disk with the serial number `input`. */
export const INPUT_DEVICE = "/dev/disk/by-id/virtio-input";

/** Where ranges of it begin: a whole number of blocks of every disk and of pages, so that a range can be read without any cache. */
export const INPUT_ALIGNMENT = 1 << 20;
