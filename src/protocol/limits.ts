/** Sizes that both ends of the agent protocol keep, apart from the schemas so that counting bytes does not load them. */

/** Payload of one output frame. */
export const MAX_FRAME_BYTES = 1 << 20;
/** JSON body of a request. */
export const MAX_REQUEST_BYTES = 8 << 20;
/** One bulk input: more than an archive may have to be unpacked. */
export const MAX_INPUT_BYTES = 64 * 2 ** 30;
/** Input of a terminal in one frame. */
export const MAX_SHELL_INPUT_BYTES = 64 << 10;
/** Characters of one argument of a shell: all of them together travel in one argument, of which the kernel takes 128 KiB. */
export const MAX_SHELL_ARGUMENT = 64 << 10;
