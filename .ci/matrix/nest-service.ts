/*
 * A NestJS service in CommonJS that responds with a model's reply. `frameworks.ts` compiles and runs it.
 */
import 'reflect-metadata';
import { Body, Controller, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ChatClient } from 'drun-sdk/chat';
import { createEmulator } from 'drun-sdk/emulator';

@Controller()
class ChatController {
  constructor(private readonly chat: ChatClient) {}

  @Post('chat')
  async reply(@Body() { question }: { question: string }): Promise<{ answer: string | null }> {
    const { choices } = await this.chat.complete({
      model: 'public/deepseek-r1',
      messages: [{ role: 'user', content: question }],
    });
    return { answer: choices[0].message.content };
  }
}

const drun = createEmulator({ reply: 'Good morning!' });
const { secret } = drun.keys.create({ name: 'nest' });

@Module({
  controllers: [ChatController],
  providers: [
    {
      provide: ChatClient,
      useFactory: () => new ChatClient({ apiKey: secret, baseUrl: 'https://drun.test', fetch: drun.fetch }),
    },
  ],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: false });
  await app.listen(0, '127.0.0.1');
  try {
    const response = await fetch(`${await app.getUrl()}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ question: 'Hello!' }),
    });
    const { answer } = (await response.json()) as { answer?: string };
    if (answer !== 'Good morning!') throw new Error(`the service responded with ${response.status}`);
  } finally {
    await app.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
