/** The facts that the page needs before its stream begins. */
export interface PageFacts {
  readonly canControl: boolean;
  readonly actions: readonly { readonly label: string; readonly description: string }[];
}

/** The HTML of the page. Its other texts come from the stream, and become text nodes. */
export function htmlOf(nonce: string, facts: PageFacts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>failsoft</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css" nonce="${nonce}">
<script id="facts" type="application/json" nonce="${nonce}">${jsonInHtml(facts)}</script>
<script src="uplot.js" nonce="${nonce}" defer></script>
<script src="page.js" nonce="${nonce}" defer></script>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript. The same figures are at <a href="snapshot">snapshot</a>, as JSON.</noscript>
</body>
</html>
`;
}

/** JSON that cannot end a script element. */
function jsonInHtml(value: object): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Allows only what this server serves, and scripts and styles only with this page's nonce. */
export function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
