using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Net.Http.Headers;

namespace Linformer.Coordinator.Rest;

/// <summary>
/// The files of the dashboard, which are small and stay in memory: what was in its folder at the start is all that is ever served.
/// </summary>
internal sealed class DashboardFiles
{
    private const string Index = "/index.html";
    private const string Assets = "/assets/";
    private const string Missing =
        "This program was built without the dashboard. Build it with -p:Dashboard=required, which needs Node.js 18 or newer.\n"
        + "The HTTP API is here all the same: /api/v1, described by /openapi/v1.json.\n";

    private static readonly (string Suffix, string Name)[] Packed = [(".br", "br"), (".gz", "gzip")];
    private static readonly string[] NoPages = ["/api", "/openapi", "/metrics", "/healthz", "/readyz"];

    private static readonly EnumerationOptions AllFiles = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };

    private readonly FrozenDictionary<string, StoredFile> _files;

    private DashboardFiles(IEnumerable<StoredFile> files) => _files = files.ToFrozenDictionary(file => file.Path, StringComparer.Ordinal);

    /// <summary>Reads a folder; one that is not there has no files.</summary>
    public static DashboardFiles Load(string folder)
    {
        if (!Directory.Exists(folder))
            return new DashboardFiles([]);
        var all = Directory.EnumerateFiles(folder, "*", AllFiles)
            .ToDictionary(file => "/" + Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/'), File.ReadAllBytes, StringComparer.Ordinal);
        var types = new FileExtensionContentTypeProvider();
        return new DashboardFiles(all.Where(file => !IsPacked(file.Key, all)).Select(file => new StoredFile(
            file.Key,
            TypeOf(types, file.Key),
            $"\"{Convert.ToHexStringLower(SHA256.HashData(file.Value).AsSpan(0, 16))}\"",
            file.Value,
            [.. Packed.Where(packed => all.ContainsKey(file.Key + packed.Suffix)).Select(packed => (packed.Name, all[file.Key + packed.Suffix]))])));
    }

    /// <summary>Answers with a file, or with the page for a path that is the page's own.</summary>
    public Task AnswerAsync(HttpContext http)
    {
        var path = http.Request.Path.Value ?? "/";
        if (_files.TryGetValue(path, out var file))
            return SendAsync(http, file);
        if (!IsPage(http, path))
            return Problem.WriteAsync(http, StatusCodes.Status404NotFound, Problem.CodeOf(Grpc.Core.StatusCode.NotFound), "There is no such file.");
        return _files.TryGetValue(Index, out var index) ? SendAsync(http, index) : SendAsync(http, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(Missing));
    }

    private static bool IsPacked(string path, Dictionary<string, byte[]> all) =>
        Packed.Any(packed => path.EndsWith(packed.Suffix, StringComparison.Ordinal) && all.ContainsKey(path[..^packed.Suffix.Length]));

    private static string TypeOf(FileExtensionContentTypeProvider types, string path)
    {
        var type = types.TryGetContentType(path, out var known) ? known : "application/octet-stream";
        return type.StartsWith("text/", StringComparison.Ordinal) ? type + "; charset=utf-8" : type;
    }

    // A job's name may have a full stop in it: what a browser opens as a page is one.
    private static bool IsPage(HttpContext http, string path) =>
        !path.StartsWith(Assets, StringComparison.Ordinal)
        && !NoPages.Any(no => path.StartsWith(no, StringComparison.OrdinalIgnoreCase) && (path.Length == no.Length || path[no.Length] == '/'))
        && (!Path.HasExtension(path) || http.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase));

    private static Task SendAsync(HttpContext http, StoredFile file)
    {
        var headers = http.Response.Headers;
        headers.CacheControl = file.Path.StartsWith(Assets, StringComparison.Ordinal) ? "public, max-age=31536000, immutable" : "no-cache";
        headers.ETag = file.Tag;
        if (file.Packed.Count > 0)
            headers.Vary = HeaderNames.AcceptEncoding;
        if (http.Request.Headers.IfNoneMatch == file.Tag)
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }
        var accepted = http.Request.GetTypedHeaders().AcceptEncoding;
        foreach (var (name, content) in file.Packed)
        {
            if (!accepted.Any(one => one.Value.Equals(name, StringComparison.OrdinalIgnoreCase) && one.Quality is null or > 0))
                continue;
            headers.ContentEncoding = name;
            return SendAsync(http, file.Type, content);
        }
        return SendAsync(http, file.Type, file.Content);
    }

    private static Task SendAsync(HttpContext http, string type, byte[] content)
    {
        http.Response.ContentType = type;
        http.Response.ContentLength = content.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.BodyWriter.WriteAsync(content, http.RequestAborted).AsTask();
    }

    private sealed record StoredFile(string Path, string Type, string Tag, byte[] Content, IReadOnlyList<(string Name, byte[] Content)> Packed);
}
