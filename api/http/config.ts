/** `key`: of an API key that has no limit of its own. */
export type RateLimits = Readonly<Record<'auth' | 'public' | 'api' | 'key', number>>;

/** The part of the configuration the API kit reads. */
export interface HttpConfig {
  /** Shown by `GET /` and the OpenAPI documents. */
  readonly version: string;
  /** Where callers reach this server; https makes cookies Secure and adds HSTS. */
  readonly publicUrl?: string;
  /** Origins a browser may call from; `*` means any, without cookies. Empty: same origin only. */
  readonly corsOrigins: readonly string[];
  /** Believe X-Forwarded-For and X-Forwarded-Proto of the one proxy in front. */
  readonly trustProxy: boolean;
  /** Points a minute for each class of routes. */
  readonly rateLimits: RateLimits;
}

export const defaultRateLimits: HttpConfig['rateLimits'] = { auth: 20, public: 600, api: 1200, key: 100 };

export const isHttps = ({ publicUrl }: HttpConfig): boolean => publicUrl?.startsWith('https:') ?? false;
