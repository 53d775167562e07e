/** A file as the text that a browser receives; created by `.ci/text-imports.ts`. */
declare module '*?text' {
  export const text: string;
}
