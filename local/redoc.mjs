// ReDoc's page is one file of a package whose own dependencies nobody needs here: only that file is fetched.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';

const PACKAGE = 'redoc@2.5.4';
const INTEGRITY = 'M6jWhG1qoBnH6TFmzJnstyCZ87HmOY/UzDm78mHiYihEdlV/YcS9ogOo1NlElnJMeLsyxHFe2yFc4sNjHTrABQ==';
const MEMBER = 'package/bundles/redoc.standalone.js';
const BLOCK = 512;

/** Puts ReDoc's page at `target`; from the cache of an earlier build when there is one. True when it worked. */
export function placeRedoc(root, target, runNpm) {
  const cached = path.join(root, 'node_modules', '.cache', 'keelson', `${PACKAGE}.js`);
  if (!fs.existsSync(cached) && !fetchRedoc(cached, runNpm)) return false;
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.copyFileSync(cached, target);
  return true;
}

function fetchRedoc(file, runNpm) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-redoc-'));
  try {
    const flags = ['pack', PACKAGE, '--pack-destination', folder, '--loglevel=error'];
    if (!runNpm(flags, { stdio: ['ignore', 'ignore', 'inherit'] })) return false;
    const [name] = fs.readdirSync(folder);
    const archive = fs.readFileSync(path.join(folder, name));
    if (createHash('sha512').update(archive).digest('base64') !== INTEGRITY) return false;
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(`${file}.new`, memberOf(zlib.gunzipSync(archive)));
    fs.renameSync(`${file}.new`, file);
    return true;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** One file out of a tar: headers of 512 bytes, each followed by its file, padded. */
function memberOf(tar) {
  for (let at = 0; at + BLOCK <= tar.length;) {
    const name = tar.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('utf8', at + 124, at + 136), 8) || 0;
    if (name === MEMBER) return tar.subarray(at + BLOCK, at + BLOCK + size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  throw new Error(`${PACKAGE} holds no ${MEMBER}`);
}
