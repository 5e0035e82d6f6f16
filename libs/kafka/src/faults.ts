/** Why Kafka did not do what was asked. */
export type KafkaFaultCode =
  | 'unavailable'
  | 'timeout'
  | 'unknown-topic'
  | 'not-authorised'
  | 'untrusted'
  | 'rejected'
  | 'incomplete'
  | 'closed'
  | 'commit-past-handed-out';

export class KafkaFault extends Error {
  override readonly name = 'KafkaFault';
  readonly code: KafkaFaultCode;

  constructor(code: KafkaFaultCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** Waiting does not mend these: a person must. */
  get permanent(): boolean {
    return this.code === 'unknown-topic' || this.code === 'not-authorised' || this.code === 'untrusted';
  }
}

interface ClientError {
  name?: string;
  /** Of Node's or OpenSSL's error behind a connection that failed. */
  code?: unknown;
  type?: string;
  message?: string;
  cause?: unknown;
}

const connectionErrors = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSLockTimeout',
]);

/** No TLS with this broker: its certificate is not believed, ours is not, or it speaks something else on that port. */
const tlsTrouble = /CERT|SIGNATURE|^ERR_(SSL|TLS)_|^EPROTO$/;

/** The innermost error: the client wraps what happened in "number of retries exceeded" and the like. */
function origin(error: unknown): ClientError {
  const seen = new Set<unknown>();
  let current = error as ClientError;
  while (typeof current.cause === 'object' && current.cause !== null && !seen.has(current)) {
    seen.add(current);
    current = current.cause;
  }
  return current;
}

/** Is the way to the broker the trouble (and not its answer)? */
export function isConnectionTrouble(error: unknown): boolean {
  const { name = '' } = origin(error);
  return connectionErrors.has(name) || name === 'KafkaJSRequestTimeoutError';
}

/** The client's error in our words; what was asked stands in `asked`. */
export function faultOf(error: unknown, asked: string): KafkaFault {
  if (error instanceof KafkaFault) return error;
  if (typeof error !== 'object' || error === null) return new KafkaFault('rejected', `${asked}: ${String(error)}`);
  const { name = '', type = '', message = '', code } = origin(error);
  const say = (code: KafkaFaultCode, what: string) => new KafkaFault(code, `${asked}: ${what}`, { cause: error });
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return say('unknown-topic', 'the topic or partition does not exist');
  if (type.endsWith('_AUTHORIZATION_FAILED') || type.includes('SASL') || name === 'KafkaJSSASLAuthenticationError')
    return say('not-authorised', message);
  if (name === 'KafkaJSRequestTimeoutError') return say('timeout', message);
  if (name === 'KafkaJSConnectionError' && typeof code === 'string' && tlsTrouble.test(code))
    return say('untrusted', message);
  if (connectionErrors.has(name)) return say('unavailable', message);
  return say('rejected', type === '' ? message : `${type}: ${message}`);
}
