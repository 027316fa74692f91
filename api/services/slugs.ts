/** `'Refund & Returns'` -> `'refund-returns'`; a name without letters or digits gives the word for what it is. */
export function slugFrom(name: string, otherwise = 'chain'): string {
  const slug = name
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 80);
  return slug === '' ? otherwise : slug;
}
