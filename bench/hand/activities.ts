interface Text {
  readonly text: string;
}

export interface HandActivities {
  readonly first: (input: Text) => Promise<Text>;
  readonly second: (input: Text) => Promise<Text>;
  readonly third: (input: Text) => Promise<Text>;
}

/** No work and no records: the least three activities can cost. */
const pass = (input: Text): Promise<Text> => Promise.resolve({ text: input.text });

export const handActivities: HandActivities = { first: pass, second: pass, third: pass };
