using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Linformer.Chaos.Network;

/// <summary>Sockets in a network namespace, for a process outside it. A socket belongs to the namespace of the thread that made it.</summary>
public static class NamespaceSocket
{
    private const int NetworkNamespace = 0x40000000;

    /// <summary>A TCP socket that is not connected.</summary>
    /// <param name="name">The namespace, as <c>ip netns</c> calls it.</param>
    /// <exception cref="Win32Exception">The namespace cannot be entered.</exception>
    public static Socket Create(string name)
    {
        Socket? socket = null;
        Exception? failure = null;
        // Its own thread, which ends with the namespace that it entered.
        var thread = new Thread(() =>
        {
            try
            {
                using var handle = File.OpenHandle($"/run/netns/{name}", share: FileShare.ReadWrite);
                if (SetNamespace(handle, NetworkNamespace) != 0)
                    throw new Win32Exception(Marshal.GetLastPInvokeError());
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            }
            catch (Exception error)
            {
                failure = error;
            }
        });
        thread.Start();
        thread.Join();
        return socket ?? throw new IOException($"There is no socket in the network namespace {name}: {failure!.Message}", failure);
    }

    [DllImport("libc", EntryPoint = "setns", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetNamespace(SafeFileHandle handle, int kind);
}
