/**
 * What a copy of a saved machine needs before anything else runs in it: numbers that nobody else has, the time, and a boot id where
 * the saved one had been read. Copies begin with the same kernel random generator, so each is given a seed of its own, and the
 * generator is made to take it at once (`RNDADDENTROPY` and `RNDRESEEDCRNG`, random(4)); writing to /dev/urandom would not do that.
 *
 * Perl, as every Debian image has it, it can make these calls, and it already waits when the machine is saved: starting an
 * interpreter in the copy would take a second where the machine is emulated, and draw from the generator before the seed. It waits
 * again after each, because a copy can be saved as well. Standard input and output are a channel to the host: `WAITING` once, then
 * `FIXUP <128 hex digits> <seconds> <nanoseconds>[ <boot id>]` and `FIXED` in turn, a line each.
 */
export const FIX_UP_SCRIPT = `use strict;
open(my $random, "<", "/dev/urandom") or die "/dev/urandom: $!";
# SCHED_FIFO by sched_setscheduler of x86-64: when a saved machine goes on, its own processes go on too, and this one is first.
my $priority = pack("i", 1);
syscall(144, 0, 1, $priority);
my ($file, $shown) = ("/run/hearth-boot-id", "/proc/sys/kernel/random/boot_id");
my ($none, $is_shown) = ("", 0);
syswrite(STDOUT, "WAITING\\n");
while (1) {
  my $line = "";
  until ($line =~ /\\n/) {
    # A port reads as ended while no host is connected to it.
    sysread(STDIN, $line, 512, length $line) or select(undef, undef, undef, 0.005);
  }
  eval {
    my ($seed, $seconds, $nanoseconds, $boot) = $line =~ /^FIXUP ([0-9a-f]{128}) (\\d+) (\\d+)(?: ([0-9a-f-]{36}))?$/m
      or die "not a fix-up\\n";
    ioctl($random, 0x40085203, my $pool = pack("ii", 512, 64) . pack("H*", $seed)) or die "RNDADDENTROPY: $!\\n";
    ioctl($random, 0x5207, 0) or die "RNDRESEEDCRNG: $!\\n";
    # clock_settime(CLOCK_REALTIME) of x86-64.
    syscall(227, 0, pack("qq", $seconds, $nanoseconds)) == 0 or die "clock_settime: $!\\n";
    if (defined $boot) {
      # The kernel never changes its own; the file that covers it is written over the next time.
      open(my $id, ">", $file) or die "$file: $!\\n";
      syswrite($id, "$boot\\n");
      # mount(MS_BIND) of x86-64.
      $is_shown or syscall(165, $file, $shown, $none, 4096, 0) == 0 or die "mount: $!\\n";
      $is_shown = 1;
    }
  };
  syswrite(STDOUT, $@ ? "FAILED $@" : "FIXED\\n");
}
`;
