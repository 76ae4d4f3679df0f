using System.Diagnostics;
using System.Globalization;

namespace EndToEnd.Clusters;

/// <summary>
/// Some machines on one network: network namespaces joined by a bridge in a namespace of its own, deleted after the test.
/// Needs root.
/// </summary>
internal sealed class TestNetwork : IDisposable
{
    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"lf{Environment.ProcessId}");
    private readonly int _machines;

    public TestNetwork(int machines)
    {
        _machines = machines;
        try
        {
            Ip($"netns add {Switch}");
            Ip($"-n {Switch} link add br0 type bridge");
            Ip($"-n {Switch} link set br0 up");
            for (var machine = 0; machine < machines; machine++)
            {
                Ip($"netns add {Name(machine)}");
                Ip($"link add eth0 netns {Name(machine)} type veth peer name {Port(machine)} netns {Switch}");
                Ip($"-n {Switch} link set {Port(machine)} master br0 up");
                Ip($"-n {Name(machine)} addr add {Address(machine)}/24 dev eth0");
                Ip($"-n {Name(machine)} link set eth0 up");
                Ip($"-n {Name(machine)} link set lo up");
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string Switch => $"{_prefix}-switch";

    public static string Address(int machine) => string.Create(CultureInfo.InvariantCulture, $"10.77.0.{machine + 1}");

    /// <summary>What a command line starts with to run on a machine.</summary>
    public IReadOnlyList<string> On(int machine) => ["ip", "netns", "exec", Name(machine)];

    /// <summary>Pulls a machine's cable.</summary>
    public void Cut(int machine) => Ip($"-n {Switch} link set {Port(machine)} down");

    /// <summary>Puts it back.</summary>
    public void Mend(int machine) => Ip($"-n {Switch} link set {Port(machine)} up");

    public void Dispose()
    {
        for (var machine = 0; machine < _machines; machine++)
        {
            Run($"netns del {Name(machine)}", out _);
        }

        Run($"netns del {Switch}", out _);
    }

    private static string Port(int machine) => string.Create(CultureInfo.InvariantCulture, $"port{machine}");

    private static void Ip(string arguments)
    {
        if (Run(arguments, out var error) != 0)
        {
            throw new InvalidOperationException($"ip {arguments}: {error}");
        }
    }

    private static int Run(string arguments, out string error)
    {
        using var ip = Process.Start(new ProcessStartInfo("ip", arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        error = ip.StandardError.ReadToEnd();
        ip.WaitForExit();
        return ip.ExitCode;
    }

    private string Name(int machine) => string.Create(CultureInfo.InvariantCulture, $"{_prefix}-{machine}");
}
