using System.ComponentModel;
using System.Diagnostics;

namespace Linformer.Chaos.Network;

/// <summary>
/// Machines on one network: network namespaces that a bridge joins in a namespace of its own. Needs root, <c>ip</c> and <c>tc</c>.
/// Deleted when disposed.
/// </summary>
public sealed class MachineNetwork : IDisposable
{
    private static readonly Lazy<bool> Possible = new(() => Environment.IsPrivilegedProcess && HasProgram("ip") && HasProgram("tc") && CanMakeOne());

    private static int _networks;

    private readonly string _prefix = $"lfc{Environment.ProcessId}-{Interlocked.Increment(ref _networks)}";
    private readonly int _machines;

    /// <summary>Makes the machines.</summary>
    /// <param name="machines">How many.</param>
    /// <exception cref="InvalidOperationException">This user or this machine cannot.</exception>
    public MachineNetwork(int machines)
    {
        _machines = machines;
        try
        {
            Run("ip", $"netns add {Switch}");
            Run("ip", $"-n {Switch} link add br0 type bridge");
            Run("ip", $"-n {Switch} link set br0 up");
            for (var machine = 0; machine < machines; machine++)
            {
                Run("ip", $"netns add {Name(machine)}");
                Run("ip", $"link add eth0 netns {Name(machine)} type veth peer name {Port(machine)} netns {Switch}");
                Run("ip", $"-n {Switch} link set {Port(machine)} master br0 up");
                Run("ip", $"-n {Name(machine)} addr add {Address(machine)}/24 dev eth0");
                Run("ip", $"-n {Name(machine)} link set eth0 up");
                Run("ip", $"-n {Name(machine)} link set lo up");
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether this user may make networks on this machine; found out once.</summary>
    public static bool IsPossible => Possible.Value;

    private string Switch => $"{_prefix}-switch";

    /// <summary>A machine's address.</summary>
    /// <param name="machine">Its number, from 0 on.</param>
    public static string Address(int machine) => $"10.77.0.{machine + 1}";

    /// <summary>The namespace of a machine.</summary>
    public string Name(int machine) => $"{_prefix}-{machine}";

    /// <summary>What a command line starts with to run on a machine.</summary>
    public IReadOnlyList<string> On(int machine) => ["ip", "netns", "exec", Name(machine)];

    /// <summary>Pulls a machine's cable.</summary>
    public void Cut(int machine) => Run("ip", $"-n {Switch} link set {Port(machine)} down");

    /// <summary>Puts it back.</summary>
    public void Mend(int machine) => Run("ip", $"-n {Switch} link set {Port(machine)} up");

    /// <summary>Makes a machine's link narrow, both ways.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="kilobits">What goes through, per second.</param>
    public void Narrow(int machine, int kilobits)
    {
        var bucket = $"tbf rate {kilobits}kbit burst 16kb latency 400ms";
        Run("tc", $"-n {Switch} qdisc replace dev {Port(machine)} root {bucket}");
        Run("tc", $"-n {Name(machine)} qdisc replace dev eth0 root {bucket}");
    }

    /// <summary>Makes it wide again.</summary>
    public void Widen(int machine)
    {
        Run("tc", $"-n {Switch} qdisc del dev {Port(machine)} root");
        Run("tc", $"-n {Name(machine)} qdisc del dev eth0 root");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (var machine = 0; machine < _machines; machine++)
            Try("ip", $"netns del {Name(machine)}", out _);
        Try("ip", $"netns del {Switch}", out _);
    }

    private static string Port(int machine) => $"port{machine}";

    /// <summary>Root in a container has the name and the programs, and may not all the same.</summary>
    private static bool CanMakeOne()
    {
        try
        {
            using var network = new MachineNetwork(1);
            network.Narrow(0, kilobits: 1000);
            return true;
        }
        catch (Exception error) when (error is InvalidOperationException or Win32Exception)
        {
            return false;
        }
    }

    private static bool HasProgram(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Any(folder => File.Exists(Path.Combine(folder, name)));

    private static void Run(string program, string arguments)
    {
        if (Try(program, arguments, out var error) != 0)
            throw new InvalidOperationException($"{program} {arguments}: {error.Trim()}");
    }

    private static int Try(string program, string arguments, out string error)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
