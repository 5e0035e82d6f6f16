import type { Logger } from '@entente/observability';
import type { LoggerService } from '@nestjs/common';

/** Nest's own messages: its start-up chatter is dropped, its warnings and errors go to our log. */
export function nestLog(log: Logger): LoggerService {
  const fields = (parts: unknown[]) => ({
    framework: parts.map((part) => (part instanceof Error ? part.stack : part)),
  });
  return {
    log: () => undefined,
    warn: (message: unknown, ...rest: unknown[]) => log.warn(fields([message, ...rest]), 'framework warning'),
    error: (message: unknown, ...rest: unknown[]) => log.error(fields([message, ...rest]), 'framework error'),
    fatal: (message: unknown, ...rest: unknown[]) => log.fatal(fields([message, ...rest]), 'framework error'),
  };
}
