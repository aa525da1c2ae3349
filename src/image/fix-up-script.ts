/**
 * What a copy of a saved machine needs before anything else runs in it: numbers that nobody else has, and the time. Copies
 * begin with the same kernel random generator, so each is given a seed of its own, and the generator is made to take it at once
 * (`RNDADDENTROPY` and `RNDRESEEDCRNG`, random(4)); writing to /dev/urandom would not do that.
 *
 * Perl, as every Debian image has it, it can make these calls, and it already waits when the machine is saved: starting an
 * interpreter in the copy would take a second where the machine is emulated, and draw from the generator before the seed.
 * Standard input and output are a channel to the host: `WAITING`, `FIXUP <128 hex digits> <seconds> <nanoseconds>`, `FIXED`, a line each.
 */
export const FIX_UP_SCRIPT = `use strict;
open(my $random, "<", "/dev/urandom") or die "/dev/urandom: $!";
syswrite(STDOUT, "WAITING\\n");
my $line = "";
until ($line =~ /\\n/) {
  # A port reads as ended while no host is connected to it.
  sysread(STDIN, $line, 512, length $line) or select(undef, undef, undef, 0.005);
}
eval {
  my ($seed, $seconds, $nanoseconds) = $line =~ /^FIXUP ([0-9a-f]{128}) (\\d+) (\\d+)$/m or die "not a fix-up\\n";
  ioctl($random, 0x40085203, my $pool = pack("ii", 512, 64) . pack("H*", $seed)) or die "RNDADDENTROPY: $!\\n";
  ioctl($random, 0x5207, 0) or die "RNDRESEEDCRNG: $!\\n";
  # clock_settime(CLOCK_REALTIME) of x86-64.
  syscall(227, 0, pack("qq", $seconds, $nanoseconds)) == 0 or die "clock_settime: $!\\n";
};
syswrite(STDOUT, $@ ? "FAILED $@" : "FIXED\\n");
`;
