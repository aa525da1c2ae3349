/**
 * What the server says of itself: a constant message and facts as fields, one JSON line each on stderr. Facts are ids, counts and
 * states, never bodies, headers or secrets; the names that could hold one are blanked all the same.
 */

export interface ServerLog {
  info(message: string, facts?: Facts): void;
  warn(message: string, facts?: Facts): void;
  error(message: string, facts?: Facts): void;
}

export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

const SECRET_FACTS = ["secret", "token", "authorization", "password", "key"];

export async function createServerLog(level: string, write: (line: string) => void): Promise<ServerLog> {
  // CommonJS: in a bundle it has no other names.
  const { default: pino } = await import("pino");
  const logger = pino(
    {
      base: null,
      level,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: SECRET_FACTS,
    },
    { write },
  );
  return {
    info: (message, facts = {}) => logger.info(facts, message),
    warn: (message, facts = {}) => logger.warn(facts, message),
    error: (message, facts = {}) => logger.error(facts, message),
  };
}
