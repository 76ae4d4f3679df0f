using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Linformer.Protocol.Security;

namespace Linformer.Protocol.Tests.Security;

public sealed class CertificateFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("linformer-").FullName;
    private readonly SteppedClock _time = new();
    private readonly List<string> _reports = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_renewed_certificate_is_read_and_half_of_a_renewal_is_not()
    {
        var old = WriteSelfSigned("one");
        var file = new CertificateFile(File("one.crt"), File("one.key"), _reports.Add, _time);
        file.Certificate.Thumbprint.ShouldBe(old);
        var renewed = WriteSelfSigned("one", into: "next");
        // A key that does not belong to the certificate, for a while.
        System.IO.File.Move(File("next.key"), File("one.key"), overwrite: true);
        _time.Advance(TimeSpan.FromSeconds(2));
        file.Certificate.Thumbprint.ShouldBe(old);
        _reports.ShouldHaveSingleItem().ShouldContain("What was read before is used");
        System.IO.File.Move(File("next.crt"), File("one.crt"), overwrite: true);
        _time.Advance(TimeSpan.FromSeconds(2));
        file.Certificate.Thumbprint.ShouldBe(renewed);
        _reports[^1].ShouldContain("was read again");
    }

    [Fact]
    public void A_renewal_that_could_not_be_read_is_read_once_it_can_be_though_the_file_is_the_same()
    {
        System.IO.File.WriteAllText(File("token"), "old");
        var refusal = "";
        string Load() => refusal.Length > 0 ? throw new UnauthorizedAccessException(refusal) : System.IO.File.ReadAllText(File("token"));
        var file = new ReloadedFiles<string>([File("token")], Load, _reports.Add, _time);
        System.IO.File.WriteAllText(File("token"), "renewed");

        // As after a move of a file of somebody else's, until its owner is mended. It is told once, and another reason too.
        foreach (var reason in (string[])["Not yours.", "Not yours.", "No handles left."])
        {
            refusal = reason;
            _time.Advance(TimeSpan.FromSeconds(2));
            file.Current.ShouldBe("old");
        }
        _reports.Select(report => report.Split('.')[0]).ShouldBe(["Not yours", "No handles left"]);

        refusal = "";
        _time.Advance(TimeSpan.FromSeconds(2));
        file.Current.ShouldBe("renewed");
        _reports.Count.ShouldBe(3);
        _reports[^1].ShouldContain("was read again");
    }

    [Fact]
    public void A_mounted_secret_is_a_link_that_is_replaced()
    {
        WriteSelfSigned("one");
        var second = WriteSelfSigned("two");
        foreach (var kind in (string[])["crt", "key"])
            System.IO.File.CreateSymbolicLink(File($"tls.{kind}"), File($"one.{kind}"));
        var file = new CertificateFile(File("tls.crt"), File("tls.key"), time: _time);
        foreach (var kind in (string[])["crt", "key"])
        {
            System.IO.File.CreateSymbolicLink(File("new"), File($"two.{kind}"));
            System.IO.File.Move(File("new"), File($"tls.{kind}"), overwrite: true);
        }
        _time.Advance(TimeSpan.FromSeconds(2));
        file.Certificate.Thumbprint.ShouldBe(second);
    }

    [Fact]
    public void Files_that_are_no_certificates_are_named()
    {
        WriteSelfSigned("one");
        WriteSelfSigned("two");
        System.IO.File.WriteAllText(File("text"), "nothing of the kind");
        Refusal(() => new CertificateFile(File("absent.crt"), File("one.key"))).ShouldContain("absent.crt");
        Refusal(() => new CertificateFile(File("text"), File("one.key"))).ShouldContain("text");
        Refusal(() => new CertificateFile(File("one.crt"), File("text"))).ShouldContain("one.crt");
        Refusal(() => new CertificateFile(File("one.crt"), File("two.key"))).ShouldContain("two.key");
        Refusal(() => new TrustFile(File("absent.crt"))).ShouldContain("absent.crt");
        Refusal(() => new TrustFile(File("text"))).ShouldContain("no certificate");
    }

    [Fact]
    public void Authorities_that_are_replaced_are_trusted_from_then_on()
    {
        WriteSelfSigned("one");
        WriteSelfSigned("two");
        var server = new CertificateFile(File("two.crt"), File("two.key")).Certificate;
        var trust = new TrustFile(File("one.crt"), _reports.Add, _time);
        trust.WhyUntrusted(server, null, TrustFile.ServerPurpose).ShouldNotBeNull();
        System.IO.File.AppendAllText(File("one.crt"), "\n" + System.IO.File.ReadAllText(File("two.crt")));
        _time.Advance(TimeSpan.FromSeconds(2));
        trust.Authorities.Count.ShouldBe(2);
        trust.WhyUntrusted(server, null, TrustFile.ServerPurpose).ShouldBeNull();
        trust.WhyUntrusted(server, null, TrustFile.ClientPurpose).ShouldNotBeNull();
    }

    [Theory]
    [InlineData(-20, -1, TrustFile.ServerPurpose, "is accepted by nobody: it has expired on ")]
    [InlineData(2, 90, TrustFile.ServerPurpose, "is accepted by nobody: it holds from ")]
    [InlineData(-1, 90, TrustFile.ClientPurpose, "is accepted by nobody: it is not for client authentication")]
    [InlineData(-1, 13, TrustFile.ServerPurpose, "ends on ")]
    [InlineData(-1, 15, TrustFile.ServerPurpose, null)]
    public void A_certificate_that_nobody_will_accept_is_warned_of(int from, int to, string purpose, string? expected)
    {
        WriteSelfSigned("one", from: from, to: to);

        _ = new CertificateFile(File("one.crt"), File("one.key"), warn: _reports.Add, purpose: purpose);

        if (expected is null)
            _reports.ShouldBeEmpty();
        else
            _reports.ShouldHaveSingleItem().ShouldStartWith($"The certificate {File("one.crt")} {expected}");
    }

    [Fact]
    public void A_renewal_that_fails_is_a_warning_and_so_is_what_is_wrong_with_the_next()
    {
        WriteSelfSigned("one", to: 90);
        var warnings = new List<string>();
        var file = new CertificateFile(File("one.crt"), File("one.key"), _reports.Add, _time, warnings.Add, TrustFile.ServerPurpose);
        WriteSelfSigned("one", into: "next", from: -20, to: -1);
        System.IO.File.Move(File("next.key"), File("one.key"), overwrite: true);
        _time.Advance(TimeSpan.FromSeconds(2));
        _ = file.Certificate;
        warnings.ShouldHaveSingleItem().ShouldContain("What was read before is used");
        _reports.ShouldBeEmpty();
        System.IO.File.Move(File("next.crt"), File("one.crt"), overwrite: true);
        _time.Advance(TimeSpan.FromSeconds(2));
        _ = file.Certificate;
        warnings[^1].ShouldContain("it has expired on ");
        _reports.ShouldHaveSingleItem().ShouldContain("was read again");
    }

    [Fact]
    public void A_certificate_for_something_else_is_told_as_such()
    {
        WriteSelfSigned("one");
        var trust = new TrustFile(File("one.crt"));
        trust.WhyUntrusted(trust.Authorities[0], null, TrustFile.ClientPurpose).ShouldBe("it is not for client authentication");
    }

    private static string Refusal(Func<object> open) => Should.Throw<CertificateException>(open).Message;

    private string File(string name) => Path.Combine(_folder, name);

    private string WriteSelfSigned(string name, string? into = null, int from = -1, int to = 1)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(TrustFile.ServerPurpose)], critical: false));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(from), DateTimeOffset.UtcNow.AddDays(to));
        System.IO.File.WriteAllText(File($"{into ?? name}.crt"), certificate.ExportCertificatePem());
        System.IO.File.WriteAllText(File($"{into ?? name}.key"), key.ExportPkcs8PrivateKeyPem());
        return certificate.Thumbprint;
    }

    private sealed class SteppedClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }
}
