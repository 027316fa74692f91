/** Asks again until the answer fits; an answer that never does fails the test with the last one seen. */
export async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean, patienceMs = 20_000): Promise<T> {
  const end = Date.now() + patienceMs;
  let last = await ask();
  while (!fits(last)) {
    if (Date.now() > end)
      throw new Error(`waited in vain, the last answer was ${JSON.stringify(last).slice(0, 1_000)}`);
    await new Promise((resolve) => setImmediate(resolve));
    last = await ask();
  }
  return last;
}
