import { ApiError } from '../http/errors.js';

/** A database that does not answer says so in the guards' own form. */
export async function reached<T>(
  { onError }: { readonly onError: (error: unknown) => void },
  query: Promise<T>,
): Promise<T> {
  try {
    return await query;
  } catch (error) {
    onError(error);
    throw new ApiError(503, 'The database cannot be reached: try again shortly.', {
      extra: { code: 'platform_unavailable' },
      headers: { 'retry-after': '1' },
    });
  }
}
