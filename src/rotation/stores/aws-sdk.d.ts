/** The part of the optional peer dependency that the DynamoDB store uses. */
declare module '@aws-sdk/lib-dynamodb' {
  export class GetCommand {
    constructor(input: object);
  }
  export class PutCommand {
    constructor(input: object);
  }
}
