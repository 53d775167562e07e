/** The languages that the control plane's messages come in. */
export type Language = 'en' | 'zh';

/** The one of the two that a request prefers (`Accept-Language`); English where it names neither. */
export function languageOf(request: Request): Language {
  let preferred: Language = 'en';
  let best = 0;
  for (const part of (request.headers.get('accept-language') ?? '').split(',')) {
    const [tag = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const language = tag.split('-')[0];
    if (language !== 'en' && language !== 'zh') continue;
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    if (weight > best) {
      preferred = language;
      best = weight;
    }
  }
  return preferred;
}
