using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Cli.Certificates;

/// <summary>A folder with an authority and what it has signed: <c>ca</c>, <c>server</c> and <c>worker</c>, each as <c>.pem</c> and <c>.key</c>.</summary>
/// <param name="path">The folder.</param>
internal sealed class CertificateFolder(string path)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Everybody = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode OwnerFolder = OwnerOnly | UnixFileMode.UserExecute;
    private static readonly string[] Names = ["ca", "server", "worker"];

    /// <summary>The path of a certificate.</summary>
    public string Certificate(string name) => Path.Combine(path, $"{name}.pem");

    /// <summary>The path of a key.</summary>
    public string Key(string name) => Path.Combine(path, $"{name}.key");

    /// <summary>Makes an authority and both certificates.</summary>
    /// <param name="hosts">Where the coordinators are reached.</param>
    /// <param name="days">For how long the certificates hold; the authority lives longer.</param>
    /// <param name="now">The time.</param>
    /// <returns>When the certificates end.</returns>
    /// <exception cref="CommandException">There is one already.</exception>
    public DateTimeOffset Create(IReadOnlyList<string> hosts, int days, DateTimeOffset now)
    {
        var taken = Names.SelectMany(name => new[] { Certificate(name), Key(name) }).FirstOrDefault(File.Exists);
        if (taken is not null)
            throw new CommandException($"{taken} is there already and is not replaced; --renew signs new certificates with the authority that is there.");
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, OwnerFolder);
        using var authority = Authority.Create(now);
        Write("ca", authority.ToPem());
        return Sign(authority, hosts, days, now);
    }

    /// <summary>Signs both certificates again with the authority that is there. Whoever uses them reads the new ones within seconds.</summary>
    /// <param name="hosts">Where the coordinators are reached; none for those of the certificate that is there.</param>
    /// <param name="days">For how long they hold.</param>
    /// <param name="now">The time.</param>
    /// <returns>When they end.</returns>
    /// <exception cref="CommandException">There is no authority, or it has ended.</exception>
    public DateTimeOffset Renew(IReadOnlyList<string> hosts, int days, DateTimeOffset now)
    {
        using var authority = Authority.Load(Certificate("ca"), Key("ca"));
        if (authority.NotAfter <= now)
            throw new CommandException($"The authority {Certificate("ca")} has ended on {authority.NotAfter:yyyy-MM-dd}; make a new one in another folder, and let everybody trust both until all have changed.");
        return Sign(authority, hosts.Count > 0 ? hosts : HostsOfServer(), days, now);
    }

    private DateTimeOffset Sign(Authority authority, IReadOnlyList<string> hosts, int days, DateTimeOffset now)
    {
        Write("server", authority.SignServer(hosts, days, now));
        Write("worker", authority.SignWorker(days, now));
        return now.AddDays(days) < authority.NotAfter ? now.AddDays(days) : authority.NotAfter;
    }

    private List<string> HostsOfServer()
    {
        try
        {
            using var server = X509CertificateLoader.LoadCertificateFromFile(Certificate("server"));
            var names = server.Extensions.OfType<X509SubjectAlternativeNameExtension>().ToList();
            return [.. names.SelectMany(name => name.EnumerateDnsNames()), .. names.SelectMany(name => name.EnumerateIPAddresses()).Select(address => $"{address}")];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new CommandException($"{Certificate("server")} cannot be read, so its names are not known ({error.Message}); give them with --host NAME.");
        }
    }

    private void Write(string name, PemPair pem)
    {
        Write(Key(name), pem.Key, OwnerOnly);
        Write(Certificate(name), pem.Certificate, Everybody);
    }

    // Whole or not at all: a coordinator may be reading the file that is replaced.
    private static void Write(string file, string text, UnixFileMode mode)
    {
        var temporary = $"{file}.{Guid.NewGuid():N}.tmp";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode;
        try
        {
            using (var stream = new FileStream(temporary, options))
            {
                using var writer = new StreamWriter(stream);
                writer.Write($"{text.TrimEnd()}\n");
                writer.Flush();
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, file, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
