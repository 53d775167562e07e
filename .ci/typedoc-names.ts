/*
 * TypeDoc plugin: names the guides after their headings and the modules after their import specifiers, instead of
 * after their files.
 */
import { type Application, Converter, ReflectionKind } from 'typedoc';

export function load(app: Application): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const page of project.getReflectionsByKind(ReflectionKind.Document)) {
      if (!page.isDocument()) continue;
      const text = page.content.map((part) => part.text).join('');
      const heading = /^# (.+)$/m.exec(text)?.[1]?.replaceAll('`', '');
      // Both READMEs have the same heading.
      page.name = page.name === 'README.zh-CN' ? '中文' : (heading ?? page.name);
    }
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      const subpath = module.name.replace('/stores/', '/');
      module.name = subpath === 'index' ? 'drun-sdk' : `drun-sdk/${subpath}`;
    }
  });
}
