#!/usr/bin/perl
# sandbox.pl: tries what a service that was taken over would try, and says for each whether it was done. Run by deb.sh in the sandbox of
# hearth.service, and outside of it to see that it is the sandbox that refuses.
use strict;
use warnings;
use Errno qw(EFAULT);
use Fcntl;
use POSIX ();
use Socket;

# What the processor calls the calls, for those that Perl has no word for.
my %numbers = (
    x86_64  => { ptrace => 101, init_module => 175, mount => 165, unshare => 272, bpf => 321 },
    aarch64 => { ptrace => 117, init_module => 105, mount => 40, unshare => 97, bpf => 280 },
);
my $machine = (POSIX::uname())[4];
my $calls = $numbers{$machine} or die "sandbox.pl does not know the system calls of $machine\n";

sub told { my ($what, $done) = @_; print "$what: ", ($done ? 'done' : 'refused'), ($done ? '' : " ($!)"), "\n"; }
# A call that finds fault with its arguments was let through.
sub called { my ($name, @arguments) = @_; my $answer = syscall($calls->{$name}, @arguments); $answer != -1 || $! == EFAULT; }
sub written { my ($path) = @_; my $done = sysopen(my $file, $path, O_WRONLY | O_CREAT); if ($done) { close $file; unlink $path; } $done; }

$| = 1;
told("write $_", written($_)) for map { "$_/hearth-probe" } qw(/var/lib/hearth /var/lib /etc /etc/hearth /usr/bin /root /home /dev /run /sys/kernel);
told('write /proc/sys/kernel/hostname', scalar sysopen(my $name, '/proc/sys/kernel/hostname', O_WRONLY));
{
    no warnings 'exec';
    told('run a shell', system('/bin/sh', '-c', 'exit 0') == 0);
}
# Its own parent may trace it.
told('ptrace', called('ptrace', 0, 0, 0, 0));
told('raw socket', scalar socket(my $raw, PF_INET, SOCK_RAW, 1));
told('packet socket', scalar socket(my $packet, 17, SOCK_DGRAM, 0));
told('load a module', called('init_module', 0, 0, 0));
told('mount', called('mount', 0, 0, 0, 0, 0));
told('load a program into the kernel', called('bpf', 0, 0, 0));
socket(my $low, PF_INET, SOCK_STREAM, 0) or die "no socket: $!\n";
told('listen below 1024', bind($low, sockaddr_in(81, INADDR_ANY)));
# At last: in a namespace of its own, root has no power over what lies outside.
told('make a user namespace', called('unshare', 0x10000000));
