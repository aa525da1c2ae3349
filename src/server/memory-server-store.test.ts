import { createMemoryServerStore } from "./memory-server-store.ts";
import { serverStoreContract } from "./server-store.contract.ts";

serverStoreContract("in memory", createMemoryServerStore, 500);
