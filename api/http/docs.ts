import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
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
  'redoc.standalone.js': { type: script, file: join(here, '..', '..', 'assets', 'redoc.standalone.js') },
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
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  // both pages style themselves from their scripts
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Serves the pages' files and gives the pages their policy. */
export function docsAssets(): Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/docs' || ctx.path === '/redoc') ctx.set('Content-Security-Policy', pagePolicy);
    const asset = ctx.path.startsWith(assetsAt) ? assets[ctx.path.slice(assetsAt.length)] : undefined;
    if (asset === undefined || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    await sendAsset(ctx, asset);
  };
}

async function sendAsset(ctx: Context, { type, file, text }: Asset): Promise<void> {
  ctx.set('Cache-Control', 'public, max-age=3600');
  ctx.set('Content-Type', type);
  if (file === undefined) {
    ctx.body = text;
    return;
  }
  const { size, mtime } = await stat(file);
  ctx.lastModified = mtime;
  ctx.etag = `${size}-${mtime.getTime()}`;
  ctx.status = 200;
  if (ctx.fresh) {
    ctx.status = 304;
    return;
  }
  ctx.body = createReadStream(file);
  ctx.set('Content-Type', type);
  ctx.length = size;
}
