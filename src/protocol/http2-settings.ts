/** What both ends tell HTTP/2: windows wide enough for a channel with a long round trip, and nothing that was not asked for. */
import type { Http2Session } from "node:http2";

const SESSION_WINDOW_BYTES = 16 << 20;

export const HTTP2_SETTINGS = { initialWindowSize: 8 << 20, maxFrameSize: 1 << 20, enablePush: false };

/** Opens the session's own window as soon as there is a session; a stream's window is in the settings. */
export function widenSessionWindow(session: Http2Session): void {
  session.once("connect", () => {
    // A peer that breaks the protocol at once has ended the session before anybody hears of its beginning.
    if (!session.destroyed) session.setLocalWindowSize(SESSION_WINDOW_BYTES);
  });
}
