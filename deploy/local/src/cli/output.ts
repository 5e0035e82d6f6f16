const started = performance.now();

/** Progress for people: on stderr, with the seconds since the start. */
export const say = (line: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`${seconds} s  ${line}\n`);
};

/** A command's result: data on stdout, as text or as one line of JSON. */
export function result(value: object, options: { json?: boolean }, text: (value: object) => string): void {
  process.stdout.write(`${options.json ? JSON.stringify(value) : text(value)}\n`);
}
