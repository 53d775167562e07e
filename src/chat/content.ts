/** A piece of text. */
export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A picture, by its address or as a `data:` URL. */
export interface ImagePart {
  readonly type: 'image_url';
  readonly image_url: { readonly url: string; readonly detail?: 'auto' | 'low' | 'high' | undefined };
}

/** A sound, in base64. */
export interface AudioPart {
  readonly type: 'input_audio';
  readonly input_audio: { readonly data: string; readonly format: 'wav' | 'mp3' | (string & {}) };
}

/** A part of what a user says; which kinds a model takes depends on the model. */
export type ContentPart = TextPart | ImagePart | AudioPart;

/** A call of a tool that the model asks for. */
export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    /** JSON, as the model wrote it: it may be broken. */
    readonly arguments: string;
  };
}
