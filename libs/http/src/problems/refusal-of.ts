import { HttpException } from '@nestjs/common';
import { Refusal } from './refusal.ts';

/** Fastify's and Node's own refusals, by error code. Their messages quote the request, so ours are used. */
const byCode: Readonly<Record<string, () => Refusal>> = {
  FST_ERR_BAD_URL: () => new Refusal('bad-path', 400, 'The path is not valid percent-encoded UTF-8.'),
  FST_ERR_MAX_PARAM_LENGTH: () => new Refusal('path-too-long', 414, 'A path segment is longer than this API allows.'),
  FST_ERR_CTP_BODY_TOO_LARGE: () => new Refusal('body-too-large', 413, 'The body is larger than this API allows.'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => unsupportedMediaType(),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new Refusal('bad-content-length', 400, 'The body is not as long as Content-Length says.'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => bodyRequired(),
  ECONNRESET: () => new Refusal('request-cut-off', 400, 'The connection ended before the request was complete.'),
  HPE_HEADER_OVERFLOW: () =>
    new Refusal('headers-too-large', 431, 'The request line and headers together are larger than 16 KiB.'),
  ERR_HTTP_REQUEST_TIMEOUT: () => new Refusal('request-timeout', 408, 'The request did not arrive in time.'),
};

const byStatus: Readonly<Record<number, readonly [code: string, detail: string]>> = {
  400: ['bad-request', 'The request cannot be understood.'],
  401: ['unauthenticated', 'A valid access token is required.'],
  403: ['forbidden', 'This caller may not do that.'],
  404: ['not-found', 'There is nothing at this path.'],
  405: ['method-not-allowed', 'This path does not take that method.'],
  413: ['body-too-large', 'The body is larger than this API allows.'],
  415: ['unsupported-media-type', 'The body must be application/json in UTF-8.'],
  503: ['unavailable', 'The service cannot answer now; try again later.'],
};

export const bodyRequired = (): Refusal => new Refusal('body-required', 400, 'A JSON body is required.');

export const unsupportedMediaType = (): Refusal =>
  new Refusal(
    'unsupported-media-type',
    415,
    'The body must be application/json in UTF-8, without a content encoding.',
    {
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    },
  );

/** The refusal in whatever was thrown, or undefined when it is a fault. */
export function refusalOf(thrown: unknown): Refusal | undefined {
  if (thrown instanceof Refusal) return thrown;
  const cause = memberOf(thrown, 'cause');
  if (cause instanceof Refusal) return cause;
  const status = thrown instanceof HttpException ? thrown.getStatus() : memberOf(thrown, 'statusCode');
  return refusalByCode(memberOf(thrown, 'code')) ?? refusalByCode(memberOf(cause, 'code')) ?? refusalByStatus(status);
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function refusalByCode(code: unknown): Refusal | undefined {
  return typeof code === 'string' && Object.hasOwn(byCode, code) ? byCode[code]?.() : undefined;
}

function refusalByStatus(status: unknown): Refusal | undefined {
  if (typeof status !== 'number' || status < 400 || (status >= 500 && status !== 503)) return undefined;
  const [code, detail] = byStatus[status] ?? ['refused', 'The request is refused.'];
  return new Refusal(code, status, detail);
}
