import { destination as fileDestination, pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger } from 'pino';

export type { Logger } from 'pino';

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

export interface LoggerOptions {
  /** Name of the service; a field of every line. */
  readonly service: string;
  readonly level?: LogLevel;
  /** Where lines go; standard output when absent. */
  readonly destination?: DestinationStream;
}

/** Field names that hold personal data or secrets wherever they turn up. */
const neverLogged = [
  'email',
  'phone',
  'identifiers',
  'subjectId',
  'sealed',
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
  'accessToken',
  'apiKey',
  'body',
];

/** fast-redact knows no "at any depth", so the depths that occur in our records are spelled out. */
const redactedPaths = neverLogged.flatMap((field) => [field, `*.${field}`, `*.*.${field}`, `*.*.*.${field}`]);

/**
 * One JSON line per event: message constant, data in fields (house style 8).
 * Redaction is the second line of defence; the first is not to pass personal data at all.
 */
export function createLogger({ service, level = 'info', destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redactedPaths, censor: '[redacted]' },
  };
  return pino(options, destination ?? linesInto(standardOutput));
}

const standardOutput = 1;
/** Of lines that wait for room where they go; what comes beyond is dropped. */
const waitingBytes = 1_048_576;

/**
 * Lines go into a file descriptor, and where it takes none because the disk is full they wait for it: a service that
 * records a withdrawal must not end because it cannot say so.
 */
export function linesInto(descriptor: number): DestinationStream {
  // Synchronous, so that the last line before an exit is not lost.
  const lines = fileDestination({ dest: descriptor, sync: true, maxLength: waitingBytes });
  // There is nowhere to say it. The next line tries again, with all that waits before it.
  lines.on('error', () => undefined);
  return lines;
}
