const carried = [
  'client_id',
  'redirect_uri',
  'response_type',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
] as const;

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

/** One plain form, without style or script: it exists for development alone. */
export function signInPage(asked: URLSearchParams, refused: boolean): string {
  const hidden = carried.map(
    (name) => `<input type="hidden" name="${name}" value="${escaped(asked.get(name) ?? '')}">`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in to this development stack</title>
<main>
<h1>Sign in to this development stack</h1>
${refused ? '<p role="alert"><strong>This name and password do not belong together.</strong></p>' : ''}
<p>The terminal that runs <code>entente dev</code> shows the names and passwords.</p>
<form method="post" action="/authorize">
${hidden.join('\n')}
<p><label for="user">Name</label><br><input id="user" name="user" autocomplete="username" required autofocus></p>
<p><label for="password">Password</label><br><input id="password" name="password" type="password" autocomplete="current-password" required></p>
<p><button>Sign in</button></p>
</form>
</main>
</html>
`;
}
