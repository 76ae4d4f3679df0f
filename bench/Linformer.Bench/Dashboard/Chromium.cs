using System.Diagnostics;
using System.Globalization;
using System.Net.WebSockets;
using System.Text.Json.Nodes;

namespace Linformer.Bench.Dashboard;

/// <summary>A browser without a window, told what to do by its DevTools protocol.</summary>
internal sealed class Chromium : IDisposable
{
    private static readonly string[] Programs = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Process _process;
    private readonly ClientWebSocket _socket = new();
    private readonly string _folder;
    private int _calls;

    private Chromium(Process process, string folder) => (_process, _folder) = (process, folder);

    /// <summary>Whether there is one on this machine.</summary>
    public static bool IsThere => Programs.Any(File.Exists);

    /// <summary>Starts it with an empty page.</summary>
    /// <exception cref="TimeoutException">It does not answer.</exception>
    public static async Task<Chromium> StartAsync(CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-browser-").FullName;
        var start = new ProcessStartInfo(
            Programs.First(File.Exists),
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,900", "--remote-debugging-port=0", $"--user-data-dir={folder}", "about:blank"])
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        var process = Process.Start(start)!;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        var browser = new Chromium(process, folder);
        try
        {
            await browser.ConnectAsync(cancellationToken);
            return browser;
        }
        catch
        {
            browser.Dispose();
            throw;
        }
    }

    /// <summary>Opens a page with nothing in the cache, and waits until an expression of it, which may be a promise, has a value.</summary>
    /// <returns>The value.</returns>
    public async Task<JsonNode> OpenAsync(Uri page, string expression, CancellationToken cancellationToken)
    {
        await CallAsync("Page.navigate", new JsonObject { ["url"] = "about:blank" }, cancellationToken);
        await CallAsync("Network.clearBrowserCache", [], cancellationToken);
        await CallAsync("Page.navigate", new JsonObject { ["url"] = page.AbsoluteUri }, cancellationToken);
        var answer = await CallAsync(
            "Runtime.evaluate", new JsonObject { ["expression"] = expression, ["awaitPromise"] = true, ["returnByValue"] = true }, cancellationToken);
        return answer["result"]!["value"] ?? throw new InvalidOperationException($"The page does not say how long it took: {answer.ToJsonString()}");
    }

    public void Dispose()
    {
        _socket.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }
        _process.Dispose();
        try
        {
            Directory.Delete(_folder, recursive: true);
        }
        catch (IOException)
        {
            // A process of the browser's still writes there; the system's folder for temporary files is cleaned anyway.
        }
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        var told = Path.Combine(_folder, "DevToolsActivePort");
        var started = Stopwatch.GetTimestamp();
        while (!File.Exists(told) || (await File.ReadAllLinesAsync(told, cancellationToken)).Length < 2)
        {
            if (Stopwatch.GetElapsedTime(started) > Patience)
                throw new TimeoutException("The browser does not answer.");
            await Task.Delay(50, cancellationToken);
        }
        var port = int.Parse((await File.ReadAllLinesAsync(told, cancellationToken))[0], CultureInfo.InvariantCulture);
        using var http = new HttpClient();
        var pages = JsonNode.Parse(await http.GetStringAsync(new Uri($"http://127.0.0.1:{port}/json/list"), cancellationToken))!.AsArray();
        var page = pages.First(one => one!["type"]!.GetValue<string>() == "page")!;
        await _socket.ConnectAsync(new Uri(page["webSocketDebuggerUrl"]!.GetValue<string>()), cancellationToken);
        await CallAsync("Page.enable", [], cancellationToken);
        await CallAsync("Network.enable", [], cancellationToken);
    }

    private async Task<JsonNode> CallAsync(string method, JsonObject parameters, CancellationToken cancellationToken)
    {
        var id = ++_calls;
        var call = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        await _socket.SendAsync(System.Text.Encoding.UTF8.GetBytes(call.ToJsonString()), WebSocketMessageType.Text, endOfMessage: true, cancellationToken);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        while (true)
        {
            var message = await ReadAsync(patience.Token);
            if (message["id"]?.GetValue<int>() != id)
                continue;
            return message["result"] ?? throw new InvalidOperationException($"The browser refuses {method}: {message["error"]?.ToJsonString()}");
        }
    }

    private async Task<JsonNode> ReadAsync(CancellationToken cancellationToken)
    {
        using var text = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var part = await _socket.ReceiveAsync(buffer, cancellationToken);
            text.Write(buffer, 0, part.Count);
            if (part.EndOfMessage)
                return JsonNode.Parse(text.ToArray())!;
        }
    }
}
