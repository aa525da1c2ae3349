import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classifyIp, isSameIp } from "./ip-class.ts";

describe("classifyIp", () => {
  it.each([
    [
      "public",
      "1.1.1.1 8.8.8.8 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1 192.167.1.1 223.255.255.255 203.0.113.80",
    ],
    ["public", "2606:4700::1111 2a00:1450:4001::200e 64:ff9b::808:808 ::ffff:8.8.8.8 2002:808:808::"],
    [
      "loopback",
      "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
    ],
    [
      "private",
      "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 198.18.0.1 fc00::1 fd12::1 fec0::1 ::ffff:10.0.0.1 64:ff9b:1::1",
    ],
    ["link-local", "169.254.0.1 fe80::1 febf::1 ::ffff:169.254.1.1"],
    ["metadata", "169.254.169.254 168.63.129.16 fd00:ec2::254 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe"],
    ["carrier-grade NAT", "100.64.0.1 100.127.255.255 100.100.100.200"],
    ["multicast", "224.0.0.1 239.255.255.255 ff02::1"],
    [
      "reserved",
      "0.0.0.0 0.1.2.3 192.0.0.192 240.0.0.1 255.255.255.255 :: 100::1 2001::1 4000::1 1::1 fe80::1%eth0 localhost 0x7f.1",
    ],
  ])("calls these %s: %s", (ipClass, addresses) => {
    for (const address of addresses.split(" ")) expect([address, classifyIp(address)]).toEqual([address, ipClass]);
  });

  it("calls an IPv4 address the same when IPv6 carries it", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        // `::0.0.0.1` is the loopback address itself.
        fc.pre(!address.startsWith("0."));
        expect(classifyIp(`::ffff:${address}`)).toBe(classifyIp(address));
        expect(classifyIp(`64:ff9b::${address}`)).toBe(classifyIp(address));
        expect(classifyIp(`::${address}`)).toBe(classifyIp(address));
      }),
    );
  });

  it("reads every way to write an IPv6 address", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
        expect(isSameIp(address, short)).toBe(true);
        expect(classifyIp(address)).toBe(classifyIp(short));
      }),
    );
  });
});
