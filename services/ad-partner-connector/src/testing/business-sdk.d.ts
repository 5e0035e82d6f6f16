/** The parts of Meta's own Node SDK that its spec uses; the package brings no types. */
declare module 'facebook-nodejs-business-sdk' {
  interface CustomAudience {
    createUser(fields: readonly string[], params: object): Promise<unknown>;
    deleteUsers(params: object): Promise<unknown>;
  }
  interface AdAccount {
    deleteUsersOfAnyAudience(params: object): Promise<unknown>;
  }
  interface UserData {
    setEmail(email: string): UserData;
  }
  interface ServerEvent {
    setEventName(name: string): ServerEvent;
    setEventTime(seconds: number): ServerEvent;
    setEventId(id: string): ServerEvent;
    setActionSource(source: string): ServerEvent;
    setUserData(user: UserData): ServerEvent;
    setDataProcessingOptions(options: readonly string[]): ServerEvent;
    setDataProcessingOptionsCountry(country: number): ServerEvent;
    setDataProcessingOptionsState(state: number): ServerEvent;
  }
  interface EventRequest {
    execute(): Promise<{ readonly events_received: number }>;
  }
  const sdk: {
    readonly FacebookAdsApi: { init(token: string, locale: string, crashLog: boolean): unknown };
    readonly CustomAudience: new (id: string) => CustomAudience;
    readonly AdAccount: new (id: string) => AdAccount;
    readonly UserData: new () => UserData;
    readonly ServerEvent: new () => ServerEvent;
    readonly EventRequest: new (token: string, pixelId: string, events: readonly ServerEvent[]) => EventRequest;
  };
  export default sdk;
}
