/** The whole list of errors the API answers. Code is matched, prose never. */
export const codeOfStatus = {
  400: 'bad_request',
  401: 'authentication_error',
  402: 'payment_required',
  403: 'authorization_error',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  410: 'gone',
  412: 'precondition_failed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
  422: 'validation_error',
  423: 'locked',
  426: 'upgrade_required',
  429: 'rate_limit_exceeded',
  431: 'headers_too_large',
  500: 'internal_error',
  502: 'upstream_error',
  503: 'unavailable',
  504: 'timeout',
} as const;
export type ErrorStatus = keyof typeof codeOfStatus;

export interface ErrorDetail {
  /** Dotted path such as `primary_steps.2.config.url`. */
  readonly field: string;
  readonly message: string;
  /** The same place as `detail[].loc` shows it, when it is not simply the body's field. */
  readonly loc?: readonly (string | number)[];
  /** `detail[].type`; default `value_error`. */
  readonly type?: string;
}

export class ApiError extends Error {
  readonly status: ErrorStatus;
  readonly details: readonly ErrorDetail[];
  /** Keys a contract names beside the envelope (`blockers`, `missing_env`, ...). */
  readonly extra: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    status: ErrorStatus,
    message: string,
    more: {
      readonly details?: readonly ErrorDetail[];
      readonly extra?: Readonly<Record<string, unknown>>;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.details = more.details ?? [];
    this.extra = more.extra ?? {};
    this.headers = more.headers ?? {};
  }
}

export const badRequest = (message: string, field?: string): ApiError =>
  new ApiError(400, message, field === undefined ? {} : { details: [{ field, message }] });
export const unauthenticated = (message: string): ApiError =>
  new ApiError(401, message, { headers: { 'www-authenticate': 'Bearer' } });
export const forbidden = (message: string): ApiError => new ApiError(403, message);
export const notFound = (what: string, id: string): ApiError => new ApiError(404, `No ${what} "${id}" here.`);
export const notAllowed = (method: string, allowed: readonly string[]): ApiError =>
  new ApiError(405, `${method} is not possible here; use ${allowed.join(', ')}.`, {
    headers: { Allow: allowed.join(', ') },
  });
export const unsupported = (message: string): ApiError => new ApiError(415, message);
export const conflict = (message: string, extra: Readonly<Record<string, unknown>> = {}): ApiError =>
  new ApiError(409, message, { extra });
export const tooLarge = (message: string): ApiError => new ApiError(413, message);
export const invalid = (details: readonly ErrorDetail[], extra: Readonly<Record<string, unknown>> = {}): ApiError =>
  new ApiError(422, details.map(({ field, message }) => `${field}: ${message}`).join('; ') || 'Invalid request', {
    details,
    extra,
  });
export const tooMany = (message: string, retryAfterSeconds: number): ApiError =>
  new ApiError(429, message, { headers: { 'retry-after': String(retryAfterSeconds) } });
export const unavailable = (message: string): ApiError => new ApiError(503, message);
