import { codeOfStatus, type ApiError, type ErrorDetail } from './errors.js';

/**
 * The one error body: `error` for most clients, `detail` for those that know FastAPI's form, and beside them the keys a
 * contract names.
 */
export function envelope(error: ApiError): Record<string, unknown> {
  const { status, message, details, extra } = error;
  return {
    ...extra,
    error: {
      code: codeOfStatus[status],
      message,
      details: details.map(({ field, message: text }) => ({ field, message: text })),
    },
    detail: extra['detail'] ?? (status === 422 ? locations(message, details) : message),
  };
}

function locations(message: string, details: readonly ErrorDetail[]): readonly object[] {
  if (details.length === 0) return [{ loc: ['body'], msg: message, type: 'value_error' }];
  return details.map(({ field, message: msg, loc, type }) => ({
    loc: loc ?? ['body', ...field.split('.').flatMap(placeOf)],
    msg,
    type: type ?? 'value_error',
  }));
}

/** A place in a list is a number, as in the form that the schemas' own errors have. */
const placeOf = (part: string): readonly (string | number)[] => {
  if (part === 'body') return [];
  return [/^\d+$/.test(part) ? Number(part) : part];
};
