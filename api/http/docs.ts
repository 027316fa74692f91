import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context, Middleware } from 'koa';

const assetsAt = '/docs/assets/';

/** Where the compiled `api/http` lies; the build puts ReDoc's bundle into `assets` beside `api`. */
const here = dirname(fileURLToPath(import.meta.url));
const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

interface Asset {
  readonly type: string;
  /** A file, or the text itself. */
  readonly file?: string;
  readonly text?: string;
  /** Read once and changed on the way. */
  readonly edit?: (text: string) => string;
}

/** ReDoc's credit loads its logo from its maker's server; an image that fails is simply not shown. */
function withoutForeignLogo(bundle: string): string {
  return bundle.replaceAll('https://cdn.redoc.ly/redoc/logo-mini.svg', 'data:,');
}

const script = 'text/javascript; charset=utf-8';
const style = 'text/css; charset=utf-8';

const swaggerStart = `window.ui = SwaggerUIBundle({
  url: '/openapi.json', dom_id: '#page', deepLinking: true, displayRequestDuration: true, filter: true, docExpansion: 'none',
  presets: [SwaggerUIBundle.presets.apis], validatorUrl: null, persistAuthorization: true
});
`;
const redocStart = `Redoc.init('/openapi.json', { disableSearch: false, hideDownloadButton: false, nativeScrollbars: true, hideLogo: true },
  document.getElementById('page'));
`;
const pageStyle = `html, body { margin: 0; padding: 0; }
`;

const assets: Readonly<Record<string, Asset>> = {
  'swagger-ui.css': { type: style, file: join(swaggerUi, 'swagger-ui.css') },
  'swagger-ui-bundle.js': { type: script, file: join(swaggerUi, 'swagger-ui-bundle.js') },
  'swagger-start.js': { type: script, text: swaggerStart },
  'redoc.standalone.js': {
    type: script,
    file: join(here, '..', '..', 'assets', 'redoc.standalone.js'),
    edit: withoutForeignLogo,
  },
  'redoc-start.js': { type: script, text: redocStart },
  'page.css': { type: style, text: pageStyle },
  'favicon.png': { type: 'image/png', file: join(swaggerUi, 'favicon-32x32.png') },
};

const pageOf = (styles: readonly string[], scripts: readonly string[]): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Keelson API</title>
    <link rel="icon" type="image/png" href="${assetsAt}favicon.png">
${styles.map((name) => `    <link rel="stylesheet" href="${assetsAt}${name}">`).join('\n')}
  </head>
  <body>
    <div id="page"></div>
${scripts.map((name) => `    <script src="${assetsAt}${name}"></script>`).join('\n')}
  </body>
</html>
`;

export const docsPage = pageOf(['page.css', 'swagger-ui.css'], ['swagger-ui-bundle.js', 'swagger-start.js']);
export const redocPage = pageOf(['page.css'], ['redoc.standalone.js', 'redoc-start.js']);

/** Only what the two pages need: our own files, no inline script, nobody else's server. */
const policyWith = (styles: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src ${styles}`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

const policies: Readonly<Record<string, string>> = {
  '/docs': policyWith("'self'"),
  // ReDoc writes its styles into the page from its script
  '/redoc': policyWith("'self' 'unsafe-inline'"),
};

/** Only names of the list itself: every object answers to `constructor` too. */
function assetAt(path: string): Asset | undefined {
  const name = path.startsWith(assetsAt) ? path.slice(assetsAt.length) : '';
  return Object.hasOwn(assets, name) ? assets[name] : undefined;
}

/** Serves the pages' files and gives the pages their policy. */
export function docsAssets(): Middleware {
  return async (ctx, next) => {
    const policy = policies[ctx.path];
    if (policy !== undefined) ctx.set('Content-Security-Policy', policy);
    const asset = assetAt(ctx.path);
    if (asset === undefined || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    await sendAsset(ctx, asset);
  };
}

async function sendAsset(ctx: Context, asset: Asset): Promise<void> {
  ctx.set('Cache-Control', 'public, max-age=3600');
  ctx.status = 200;
  ctx.body = await contentOf(asset);
  ctx.set('Content-Type', asset.type);
}

const read = new Map<Asset, Promise<Buffer>>();

/** The files are few and small, so each is read once and kept. */
function contentOf(asset: Asset): Promise<Buffer> {
  const known = read.get(asset);
  if (known !== undefined) return known;
  const content = load(asset);
  read.set(asset, content);
  content.catch(() => read.delete(asset));
  return content;
}

async function load({ file, text = '', edit }: Asset): Promise<Buffer> {
  const bytes = file === undefined ? Buffer.from(text) : await readFile(file);
  return edit === undefined ? bytes : Buffer.from(edit(bytes.toString('utf8')));
}
