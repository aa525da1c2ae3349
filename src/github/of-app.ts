/** Which App made a check run or a check suite, as payloads say it. Pure. */
import { z } from "zod";

export const ofApp = z.object({ app: z.object({ id: z.number(), client_id: z.string().nullish() }).nullish() });

/** `appId`: the number or the client id of ours. Without an App of our own nothing is of it. */
export function isOfApp({ app }: z.infer<typeof ofApp>, appId: string | undefined): boolean {
  return appId !== undefined && (String(app?.id) === appId || app?.client_id === appId);
}
