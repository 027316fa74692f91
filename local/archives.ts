import { promisify } from 'node:util';
import { gunzip, inflateRaw } from 'node:zlib';

const unpackGzip = promisify(gunzip);
const unpackDeflate = promisify(inflateRaw);

/** The bytes of one file of a `.tar.gz`, `.zip` or wheel; the name may stand below any folder. */
export async function fileInArchive(archive: Buffer, name: string): Promise<Buffer> {
  const isZip = archive.subarray(0, 2).toString('latin1') === 'PK';
  const found = isZip ? await fileInZip(archive, name) : fileInTar(await unpackGzip(archive), name);
  if (found === undefined) throw new Error(`the archive holds no file ${name}`);
  return found;
}

const isNamed = (entry: string, name: string): boolean => entry === name || entry.endsWith(`/${name}`);

/** Walks the directory at the end of the archive, which alone knows every size. */
async function fileInZip(zip: Buffer, name: string): Promise<Buffer | undefined> {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('the archive is cut off');
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const nameLength = zip.readUInt16LE(at + 28);
    const entry = zip.subarray(at + 46, at + 46 + nameLength).toString('utf8');
    if (isNamed(entry, name)) return readZipEntry(zip, at);
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return undefined;
}

function readZipEntry(zip: Buffer, entry: number): Promise<Buffer> {
  const packedSize = zip.readUInt32LE(entry + 20);
  const header = zip.readUInt32LE(entry + 42);
  const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
  const packed = zip.subarray(start, start + packedSize);
  const isStored = zip.readUInt16LE(entry + 10) === 0;
  return isStored ? Promise.resolve(packed) : unpackDeflate(packed);
}

function fileInTar(tar: Buffer, name: string): Buffer | undefined {
  let at = 0;
  while (at + 512 <= tar.length && tar[at] !== 0) {
    const entry = tar
      .subarray(at, at + 100)
      .toString('utf8')
      .replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.subarray(at + 124, at + 136).toString('latin1'), 8);
    if (isNamed(entry, name)) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return undefined;
}
