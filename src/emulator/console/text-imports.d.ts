/** A file as the text that a browser is sent; `.ci/text-imports.ts` makes it. */
declare module '*?text' {
  export const text: string;
}
