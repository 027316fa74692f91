import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

/** Who the provider signs in, by the claims it tells of them. */
export interface IdpPerson {
  readonly sub: string;
  /** Everything else is told by the user information endpoint alone, as many providers do. */
  readonly tells_late?: boolean;
  readonly [claim: string]: unknown;
}

export interface IdentityProvider {
  readonly issuer: string;
  /** `host:port`, as KEELSON_EGRESS_ALLOW takes it. */
  readonly address: string;
  /** The next sign-in is this person's, by these means. */
  readonly become: (person: IdpPerson, amr?: readonly string[]) => void;
  readonly close: () => Promise<void>;
}

export const CLIENT_ID = 'keelson';
export const CLIENT_SECRET = 'the secret of keelson at its provider';

/** A real OpenID Connect provider that asks nobody for a password: whoever comes is the person of the moment. */
export async function startIdentityProvider(redirectUris: readonly string[]): Promise<IdentityProvider> {
  let person: IdpPerson = { sub: 'nobody' };
  let means: readonly string[] = ['pwd'];
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server = createServer((request, response) => handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // -- reason: a server on a port has an AddressInfo
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const provider = createProvider(issuer, redirectUris, () => person);
  const callback = provider.callback();
  handle = (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) return void callback(request, response);
    void provider.interactionFinished(request, response, { login: { accountId: person.sub, amr: [...means] } });
  };
  return {
    issuer,
    address: `127.0.0.1:${port}`,
    become: (next, amr = ['pwd']) => {
      person = next;
      means = amr;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createProvider(issuer: string, redirectUris: readonly string[], person: () => IdpPerson): Provider {
  return new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        redirect_uris: [...redirectUris],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    cookies: { keys: ['of a test'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    claims: {
      openid: ['sub', 'amr'],
      email: ['email', 'email_verified'],
      profile: ['name'],
      groups: ['groups', 'realm_access', 'https://example.com/roles'],
    },
    conformIdTokenClaims: false,
    ttl: { AccessToken: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    findAccount: (_, id) => ({ accountId: id, claims: (use) => claimsOf(person(), id, use) }),
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId: CLIENT_ID, accountId: oidc.session?.accountId ?? '' });
      grant.addOIDCScope('openid email profile groups');
      await grant.save();
      return grant;
    },
  });
}

const claimsOf = ({ tells_late: isLate = false, ...person }: IdpPerson, sub: string, use: string) =>
  isLate && use === 'id_token' ? { sub } : { ...person, sub };

/** A browser: keeps cookies by origin, and follows redirects as far as it is told. */
export function createBrowser() {
  const jars = new Map<string, Map<string, string>>();
  const visit = async (url: string): Promise<Response> => {
    const { origin } = new URL(url);
    const jar = jars.get(origin) ?? new Map<string, string>();
    jars.set(origin, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: cookie === '' ? {} : { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';')[0]?.split(/=(.*)/s) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  };
  return {
    visit,
    cookie: (origin: string, name: string): string | undefined => jars.get(origin)?.get(name),
    /** Follows redirects until one leads to `to`, which is answered and not visited. */
    follow: async (start: string, to: string): Promise<string> => {
      let url = start;
      for (let hops = 0; hops < 10; hops += 1) {
        const response = await visit(url);
        const location = response.headers.get('location');
        if (location === null) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
        url = new URL(location, url).href;
        if (url.startsWith(to)) return url;
      }
      throw new Error(`it never came to ${to}`);
    },
  };
}
export type Browser = ReturnType<typeof createBrowser>;
